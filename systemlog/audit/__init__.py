"""The audit trail: who did what, as records of the categories `audit.*`."""
