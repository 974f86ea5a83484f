"""Programs beside the store that trials are told to, on request. They never cost a trial."""
