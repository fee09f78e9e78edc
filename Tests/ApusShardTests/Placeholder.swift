// ApusShard
