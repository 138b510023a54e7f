"""Where errors are caught, and what answers when nothing else can."""
