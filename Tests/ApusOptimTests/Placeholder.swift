// ApusOptim
