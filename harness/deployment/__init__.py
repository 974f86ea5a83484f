"""From a finished trial to decisions on a production line: models as files, and what judges new images with them."""
