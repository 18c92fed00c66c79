//go:build !linux

package local_test

import "context"

func childContext() context.Context { return context.Background() }

func prepareChild(string) error { return nil }
func inspectChild(string) error { return nil }
