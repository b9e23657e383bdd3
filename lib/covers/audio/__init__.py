"""Audio: lists of files, decoding, features, attributes, augmentation."""
