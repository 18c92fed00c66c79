package config

// Drill is how the backups of a job are drilled.
type Drill struct {
	Home, Scratch, Plugins string // folders; empty: as the flags have it
	Memory                 string // a size, as the flag takes it; empty: its default
	Quick                  bool
	Checks                 []DrillCheck
}

// DrillCheck is a question to the restored database, and the answer it must
// have.
type DrillCheck struct{ Cypher, Expect string }

func (c DrillCheck) String() string { return c.Cypher + " => " + c.Expect }

func drillKind() kind[Drill] {
	check := object("cypher: and expect:", []field[DrillCheck]{
		bind("cypher", text("a statement that returns one value"), func(c *DrillCheck) *string { return &c.Cypher }).must().
			describe("Statement of Cypher that reads one value.", "MATCH (o:Order) RETURN count(o)"),
		bind("expect", value(), func(c *DrillCheck) *string { return &c.Expect }).must().
			describe("What it must be: a value, or a comparison of numbers with <, <=, >, >=, = or !=.", `"> 100000"`),
	}, func(r *reader, n *node, c *DrillCheck) {
		if check := r.options.Checks.Drill; check != nil && c.Cypher != "" && c.Expect != "" {
			if err := check(c.String()); err != nil {
				r.refused(n, err)
			}
		}
	})
	return object("drills", []field[Drill]{
		bind("home", text("the path of a folder"), func(d *Drill) *string { return &d.Home }).
			describe("Neo4j whose programs are used (default NEO4J_HOME, or the one on PATH).", "/opt/neo4j"),
		bind("scratch", text("the path of a folder"), func(d *Drill) *string { return &d.Scratch }).
			describe("Folder with room for the dump and its store (default that for temporary files).", "/var/tmp"),
		bind("memory", bytesSize(), func(d *Drill) *string { return &d.Memory }).
			describe("Memory for Neo4j.", "8GiB").otherwise("2GiB"),
		bind("plugins", text("the path of a folder"), func(d *Drill) *string { return &d.Plugins }).
			describe("Folder of plug-ins that the data needs (default none).", "/opt/neo4j/plugins"),
		bind("quick", boolean(), func(d *Drill) *bool { return &d.Quick }).
			describe("Leave out the consistency check.", "true").otherwise("false"),
		bind("checks", listOf("a list of checks", check), func(d *Drill) *[]DrillCheck { return &d.Checks }).
			describe("What must hold in the restored database.", `[{cypher: "MATCH (o:Order) RETURN count(o)", expect: "> 100000"}]`),
	}, nil)
}

// value is text, a number, or true or false, kept as it is written.
func value() kind[string] {
	s := shape{name: "a value", schema: schema{"type": []any{"string", "number", "boolean"}, "minLength": 1}}
	return scalar(s, func(t string) (string, error) {
		if t == "" {
			return "", wrong{"is empty", "write a value, such as 42 or \"> 1000\""}
		}
		return t, nil
	}, isText, isNumber, isFloat, isBool)
}
