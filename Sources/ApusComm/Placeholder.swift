// ApusComm
