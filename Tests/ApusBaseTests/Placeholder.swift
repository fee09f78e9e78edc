// ApusBase
