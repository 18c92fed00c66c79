package config

import "fmt"

// refused notes what a check of the caller says of a value.
func (r *reader) refused(n *node, err error) {
	hint := "docs/config.md tells what can stand here"
	if h, ok := err.(interface{ UserHint() string }); ok && h.UserHint() != "" {
		hint = h.UserHint()
	}
	r.problem(n.at, Mask(err.Error()), Mask(hint))
}

func (r *reader) checkVault(e *entry[Vault]) {
	r.path = []string{"vaults", e.name}
	defer func() { r.path = nil }()
	if n := e.node.get("url"); n != nil && e.value.URL != "" {
		r.ask(r.options.Checks.URL, "url", n, e.value.URL)
	}
	locks := e.node.get("lock")
	if locks == nil || r.options.Checks.Lock == nil {
		return
	}
	for _, p := range locks.pairs {
		if _, ok := e.value.Lock[p.key]; !ok {
			continue // it was refused already
		}
		if err := r.options.Checks.Lock(&e.value, p.key); err != nil {
			r.within("lock."+p.key, func() { r.refused(p.value, err) })
		}
	}
}

// checkApart lets a check of the caller compare a vault with those before it.
func (r *reader) checkApart(before []entry[Vault], e *entry[Vault]) {
	check, n := r.options.Checks.Apart, e.node.get("url")
	if check == nil || n == nil || e.value.URL == "" {
		return
	}
	r.path = []string{"vaults", e.name}
	defer func() { r.path = nil }()
	for i := range before {
		if before[i].value.URL == "" {
			continue
		}
		if err := check(before[i].value.URL, e.value.URL); err != nil {
			r.within("url", func() { r.refused(n, err) })
			return
		}
	}
}

// ask lets a check of the caller judge a value.
func (r *reader) ask(check func(string) error, key string, n *node, value string) {
	if check == nil {
		return
	}
	if err := check(value); err != nil {
		r.within(key, func() { r.refused(n, err) })
	}
}

func (r *reader) checkJob(e *entry[Job], c *Config, vaults []string) {
	r.path = []string{"jobs", e.name}
	defer func() { r.path = nil }()
	if n := e.node.get("source"); n != nil && e.value.Source != "" {
		r.ask(r.options.Checks.Source, "source", n, e.value.Source)
	}
	if n := e.node.get("series"); n != nil {
		r.ask(r.options.Checks.Series, "series", n, e.value.Series)
	} else if check := r.options.Checks.Series; check != nil && check(e.name) != nil {
		r.problem(e.at, "the name of the job cannot be that of its series", "add series: with lower-case letters, digits, dots, - and _")
	}
	list := e.node.get("vaults")
	if list == nil {
		return
	}
	seen := make(map[string]bool, len(list.items))
	for i, item := range list.items {
		if item.form != isText || item.text == "" || item.broken {
			continue // it was refused already
		}
		r.within(fmt.Sprintf("vaults.%d", i+1), func() {
			switch {
			case c.vaults[item.text] == nil:
				r.problem(item.at, "there is no vault "+quote(item), r.suggest(item.text, vaults))
			case seen[item.text]:
				r.problem(item.at, "the vault is there twice", "remove one of them")
			}
		})
		seen[item.text] = true
	}
}

// checkSeries refuses that two sources share a series in one vault: the run of
// the second would be refused.
func (r *reader) checkSeries(e *entry[Job], series map[string]*entry[Job]) {
	for _, vault := range e.value.Vaults {
		key := vault + "#" + e.value.Series
		other, taken := series[key]
		if !taken {
			series[key] = e
			continue
		}
		if other.value.Source != e.value.Source {
			r.path = []string{"jobs", e.name}
			r.problem(e.at, fmt.Sprintf("it has the series %s in the vault %s, as the job %s of another source has", e.value.Series, vault, other.name),
				"give one of them a series: of its own")
			r.path = nil
		}
	}
}
