// ApusTrain
