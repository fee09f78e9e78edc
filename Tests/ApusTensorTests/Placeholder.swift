// ApusTensor
