"""From a kept model to decisions on a production line: loading it, judging images, packing it for other runtimes."""
