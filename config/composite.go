package config

import "fmt"

// object is a mapping with known keys. check, which may be nil, looks at what
// was read.
func object[T any](name string, fields []field[T], check func(r *reader, n *node, v *T)) kind[T] {
	s := shape{name: name}
	known := make(map[string]field[T], len(fields))
	var keys []string
	for _, f := range fields {
		s.fields = append(s.fields, f.member)
		known[f.key] = f
		keys = append(keys, f.key)
	}
	return kind[T]{shape: s, read: func(r *reader, n *node) (T, bool) {
		r.steps++
		var v T
		if n.form != isMapping || n.broken {
			r.mismatch(n, s)
			return v, false
		}
		for _, p := range n.pairs {
			f, ok := known[p.key]
			if !ok {
				r.unknownKey(p, keys)
				continue
			}
			r.within(p.key, func() {
				if !p.value.broken {
					f.read(r, p.value, &v)
				}
			})
		}
		for _, f := range fields {
			if f.required && n.get(f.key) == nil {
				r.problem(n.at, fmt.Sprintf("the key %s is missing", f.key), "add "+f.key+": "+f.example)
			}
		}
		if check != nil {
			check(r, n, &v)
		}
		return v, true
	}}
}

func (r *reader) within(key string, do func()) {
	r.path = append(r.path, key)
	do()
	r.path = r.path[:len(r.path)-1]
}

// unknownKey notes a key that nothing reads. Its value may be a secret whose
// key was misspelt.
func (r *reader) unknownKey(p pair, known []string) {
	r.hide(p.value)
	text := "there is no key " + clipped(p.key)
	r.problem(p.at, text, r.suggest(p.key, known))
}

// listOf is a list of at least one value.
func listOf[V any](name string, of kind[V]) kind[[]V] {
	s := shape{name: name, items: &of.shape}
	return kind[[]V]{shape: s, read: func(r *reader, n *node) ([]V, bool) {
		r.steps++
		if n.form != isList || n.broken {
			r.mismatch(n, s)
			return nil, false
		}
		if len(n.items) == 0 {
			r.problem(n.at, "the list is empty", "write "+name+", or remove the key")
			return nil, false
		}
		var all []V
		for i, item := range n.items {
			r.within(fmt.Sprint(i+1), func() {
				if item.broken {
					return
				}
				if v, ok := of.read(r, item); ok {
					all = append(all, v)
				}
			})
		}
		return all, true
	}}
}

// entry is a key of the user's own, and what stands there.
type entry[V any] struct {
	name  string
	at    place
	node  *node
	value V
}

// mapOf is a mapping with keys of the user's own.
func mapOf[V any](name string, keys kind[string], of kind[V]) kind[[]entry[V]] {
	s := shape{name: name, values: &of.shape, keys: &keys.shape}
	return kind[[]entry[V]]{shape: s, read: func(r *reader, n *node) ([]entry[V], bool) {
		r.steps++
		if n.form != isMapping || n.broken {
			r.mismatch(n, s)
			return nil, false
		}
		var all []entry[V]
		for _, p := range n.pairs {
			if _, ok := keys.read(r, &node{form: isText, at: p.at, raw: p.key, text: p.key}); !ok {
				r.hide(p.value)
				continue
			}
			r.within(p.key, func() {
				if p.value.broken {
					return
				}
				if v, ok := of.read(r, p.value); ok {
					all = append(all, entry[V]{p.key, p.at, p.value, v})
				}
			})
		}
		return all, true
	}}
}

// names are the keys of entries, in the order of the file.
func names[V any](all []entry[V]) []string {
	list := make([]string, len(all))
	for i, e := range all {
		list[i] = e.name
	}
	return list
}
