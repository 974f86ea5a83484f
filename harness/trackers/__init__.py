"""How trackers are told of trials: programs beside the store, on request. They never cost a trial, nor hold one up."""
