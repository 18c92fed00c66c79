package config

import "strings"

// settingFields are the keys that are flags, too, in whatever has Settings.
// What a flag takes, Checks.Setting knows best.
func settingFields[T any](at func(*T) *Settings) []field[T] {
	const maxThreads = 4096
	levels := []string{"auto", "fastest", "default", "better", "best", "stored"}
	threads := integer("a number", 0, maxThreads)
	fields := []field[T]{
		setting("level", choice("a level", levels...), at).
			describe("How hard is compressed: "+strings.Join(levels, ", ")+".", "better").otherwise("auto"),
		setting("uploads", threads, at).
			describe("Uploads at the same time at most (default 8, and up to 32 while that is faster).", "16"),
		setting("downloads", threads, at).
			describe("Downloads at the same time at most (default 8, and up to 32 while that is faster).", "16"),
		setting("workers", threads, at).
			describe("Threads that compress or decompress (default one a core).", "4"),
		setting("max_memory", bytesSize(), at).
			describe("Memory of the whole process; what does not fit is not begun.", "1GiB").otherwise("256MiB"),
		setting("bandwidth", text("a rate such as 20MB"), at).
			describe("Most bytes a second to and from the store (default no limit).", "20MB"),
		setting("deadline", duration(), at).
			describe("Longest time of a run; what is stored by then is kept, and the next run goes on (default no limit).", "6h"),
		setting("retries", integer("a number of retries", 0, maxThreads), at).
			describe("How often a failed request to the store is tried again.", "20").otherwise("9"),
		setting("stall_timeout", duration(), at).
			describe("A transfer that moves no byte for so long is tried again.", "2m").otherwise("1m"),
		setting("host", text("the name of a machine"), at).
			describe("Name of this machine in the source's identity (default its host name).", "db1"),
		setting("temp_dir", text("the path of a folder"), at).
			describe("Folder for temporary files (default that of the system).", "/var/tmp"),
	}
	return fields
}

// setting is a field that is kept as the text that its flag takes.
func setting[T, V any](key string, k kind[V], at func(*T) *Settings) field[T] {
	return field[T]{member: member{key: key, shape: k.shape, setting: true}, read: func(r *reader, n *node, into *T) {
		if _, ok := k.read(r, n); !ok {
			return
		}
		if check := r.options.Checks.Setting; check != nil {
			if err := check(key, n.text); err != nil {
				r.refused(n, err)
				return
			}
		}
		settings := at(into)
		*settings = append(*settings, Setting{Key: key, Value: n.text, Line: n.at.line})
	}}
}

func settingsKind() kind[Settings] {
	return object("settings", settingFields(func(s *Settings) *Settings { return s }), nil)
}

// SettingKeys are the keys of all settings.
func SettingKeys() []string {
	var keys []string
	for _, f := range settingsKind().fields {
		keys = append(keys, f.key)
	}
	return keys
}
