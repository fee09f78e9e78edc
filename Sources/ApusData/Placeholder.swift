// ApusData
