// ApusNN
