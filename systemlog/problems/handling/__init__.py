"""Where errors are caught, and how they are answered outside REST framework's views."""
