// ApusConfig
