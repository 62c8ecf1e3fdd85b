# A test puts one of the other programs here.
