"""What a submission tree must hold, and whether it does: audits over evidence plus the round's rules."""
