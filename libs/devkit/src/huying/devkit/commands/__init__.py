"""What `huying` can do, a file per noun. Each imports what it needs only when it runs; none does the work itself."""
