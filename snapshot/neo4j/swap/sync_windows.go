package swap

// syncDir has nothing to do: names are durable with the journal.
func syncDir(string) error { return nil }
