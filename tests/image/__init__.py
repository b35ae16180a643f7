"""``make test-image``: the image of an SD card on an emulated board, set up by ``bramble.yaml`` alone."""
