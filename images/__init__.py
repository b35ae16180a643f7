"""What is flashed and what is deployed: the image of an SD card."""
