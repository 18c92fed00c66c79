package main

import "github.com/rogpeppe/go-internal/testscript"

// blocks does nothing: Windows has no holes without asking for them.
func blocks(*testscript.TestScript, bool, []string) {}

// weighMain does nothing: no test weighs here.
func weighMain() {}
