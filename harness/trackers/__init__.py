"""Tells trackers about finished trials. A tracker that fails or is slow neither costs a trial nor delays one."""
