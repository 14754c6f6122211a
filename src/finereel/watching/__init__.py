"""Keep a library up to date while it runs: wait for changes in folders and add what stands still."""
