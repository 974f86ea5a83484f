"""Whether exported rows hold: some of their trials are drawn, fitted again, judged, and the result is signed."""
