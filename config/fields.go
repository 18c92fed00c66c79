package config

import (
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on every system, and in every container

	"github.com/snapferry/snapferry/lifecycle"
)

// file is what stands at the top of the file.
type file struct {
	version  int
	defaults Settings
	vaults   []entry[Vault]
	jobs     []entry[Job]
}

// fileKind describes the whole file: what reads it, the JSON Schema and what
// is printed follow from it, and docs/config.md is compared with it.
func fileKind() kind[file] {
	return object("the configuration", []field[file]{
		bind("version", integer("1", 1, 1), func(f *file) *int { return &f.version }).
			describe("Version of this form of the file.", "1").otherwise("1"),
		bind("defaults", settingsKind(), func(f *file) *Settings { return &f.defaults }).
			describe("Settings of every run that uses the file, unless its job has its own.", "{workers: 4}"),
		bind("vaults", mapOf("vaults by their names", nameKind("vault"), vaultKind()), func(f *file) *[]entry[Vault] { return &f.vaults }).
			describe("Places for backups. A name stands for its vault wherever a command takes one.", "{offsite: {url: /mnt/backups}}"),
		bind("jobs", mapOf("jobs by their names", nameKind("job"), jobKind()), func(f *file) *[]entry[Job] { return &f.jobs }).
			describe("What is backed up, and where to.", "{graph: {source: /data, vaults: [offsite]}}"),
	}, nil)
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// nameKind is a name of the user's own: it can be told from a path and a URL.
func nameKind(what string) kind[string] {
	return checked("a name", namePattern, func(s string) error {
		if !namePattern.MatchString(s) {
			return wrong{"cannot be the name of a " + what, "take up to 63 letters, digits, dots, - and _, with a letter or a digit first"}
		}
		return nil
	})
}

func vaultKind() kind[Vault] {
	url := text("a path, or a URL such as s3://BUCKET/PREFIX?region=REGION")
	url.url = true
	place := bind("url", url, func(v *Vault) *string { return &v.URL }).must().
		describe("Where it is, as VAULT of the command line; not within another vault.", "s3://acme-backups/graph?region=eu-west-1")
	fields := append([]field[Vault]{place}, rotationFields()...)
	return object("a vault", append(fields, []field[Vault]{
		bind("encrypt", encryptKind(), func(v *Vault) *Encrypt { return &v.Encrypt }).
			describe("For whom new backups are encrypted.", "{age: [age1…]}"),
		bind("identities", listOf("a list of secrets", secretRef()), func(v *Vault) *[]Secret { return &v.Identities }).
			describe("Private keys that open encrypted backups, of age or SSH.", "[file:/etc/snapferry/key.txt]"),
		bind("sign", signKind(), func(v *Vault) *Sign { return &v.Sign }).
			describe("Signatures of the manifests.", "{key: file:/etc/snapferry/sign}"),
		bind("lock", lockKind(), func(v *Vault) *map[string]Lock { return &v.Lock }).
			describe("For each tier, how new objects are kept from being deleted and overwritten.", "{daily: {mode: governance, days: 14}}"),
		bind("versions", boolean(), func(v *Vault) *bool { return &v.Versions }).
			describe("Read the oldest version that is right of what was overwritten or deleted, in stores that keep versions.", "true").otherwise("false"),
	}...), checkRotation)
}

func zoneKind() kind[string] {
	return checked("a time zone such as Europe/Berlin", nil, func(s string) error {
		if _, err := time.LoadLocation(s); err != nil || s == "Local" {
			return wrong{"is no time zone", "write a name of the IANA database, such as Europe/Berlin, America/New_York or UTC"}
		}
		return nil
	})
}

var (
	recipientPattern = regexp.MustCompile(`^(age1[0-9a-z]{8,}$|ssh-(ed25519|rsa) [A-Za-z0-9+/=]{16,}( |$))`)
	signerPattern    = regexp.MustCompile(`^ssh-ed25519 [A-Za-z0-9+/=]{16,}( |$)`)
)

func encryptKind() kind[Encrypt] {
	recipient := publicKey("a public key of age or SSH", recipientPattern, "write age1…, or a line of an SSH key such as ssh-ed25519 AAAA…")
	return object("age: and passphrase:", []field[Encrypt]{
		bind("age", listOf("a list of recipients", recipient), func(e *Encrypt) *[]string { return &e.Age }).
			describe("Public keys of age or SSH; each of their private keys opens the backups.", "[age1…, \"ssh-ed25519 AAAA…\"]"),
		bind("passphrase", secretRef(), func(e *Encrypt) *Secret { return &e.Passphrase }).
			describe("Passphrase that opens the backups.", "env:VAULT_PASSPHRASE"),
	}, func(r *reader, n *node, _ *Encrypt) {
		if n.get("age") == nil && n.get("passphrase") == nil {
			r.problem(n.at, "nobody could open what is encrypted", "add age: [RECIPIENT] or passphrase: env:NAME, or remove encrypt")
		}
	})
}

func signKind() kind[Sign] {
	signer := publicKey("a public key that signs", signerPattern, "write the line of the file ….pub: ssh-ed25519 AAAA…")
	return object("key: and signers:", []field[Sign]{
		bind("key", secretRef(), func(s *Sign) *Secret { return &s.Key }).
			describe("Ed25519 private key in OpenSSH's form that signs new backups.", "file:/etc/snapferry/sign"),
		bind("signers", listOf("a list of public keys", signer), func(s *Sign) *[]string { return &s.Signers }).
			describe("Public keys of whose signatures one is demanded from every backup that is read.", "[\"ssh-ed25519 AAAA…\"]"),
	}, func(r *reader, n *node, _ *Sign) {
		if n.get("key") == nil && n.get("signers") == nil {
			r.problem(n.at, "it neither signs nor demands a signature", "add key: file:PATH or signers: [KEY], or remove sign")
		}
	})
}

// maxLockDays is what S3 takes at most: 100 years.
const maxLockDays = 36_500

func lockKind() kind[map[string]Lock] {
	lock := object("mode: and days:", []field[Lock]{
		bind("mode", choice("a mode", "governance", "compliance"), func(l *Lock) *string { return &l.Mode }).must().
			describe("governance: who has the right may lift it; compliance: nobody can.", "governance"),
		bind("days", integer("a number of days", 1, maxLockDays), func(l *Lock) *int { return &l.Days }).must().
			describe("Days from the moment an object is stored; not more than backups of the tier live.", "14"),
	}, nil)
	all := mapOf("tiers and their locks", tierKind(), lock)
	return kind[map[string]Lock]{shape: all.shape, read: func(r *reader, n *node) (map[string]Lock, bool) {
		entries, ok := all.read(r, n)
		locks := make(map[string]Lock, len(entries))
		for _, e := range entries {
			locks[e.name] = e.value
		}
		return locks, ok
	}}
}

func tierKind() kind[string] {
	return choice("a tier", tierNames()...)
}

func jobKind() kind[Job] {
	source := text("a source")
	source.url = true
	fields := []field[Job]{
		bind("source", source, func(j *Job) *string { return &j.Source }).must().
			describe("What is backed up, as SOURCE of the command line.", "neo4j+dump:///neo4j?home=/opt/neo4j"),
		bind("vaults", listOf("a list of names of vaults", text("the name of a vault")), func(j *Job) *[]string { return &j.Vaults }).must().
			describe("Names of the vaults that the backups go to.", "[offsite]"),
		bind("schedule", checked("a schedule such as \"0 3 * * *\"", nil, checkSchedule), func(j *Job) *string { return &j.Schedule }).
			describe("When it runs: minute, hour, day of the month, month, day of the week.", "\"0 3 * * *\""),
		bind("zone", zoneKind(), func(j *Job) *string { return &j.Zone }).
			describe("Time zone of the schedule (default that of the machine).", "Europe/Berlin"),
		bind("tier", tierKind(), func(j *Job) *string { return &j.Tier }).
			describe("Shelf of the vault that backups stand on: "+strings.Join(tierNames(), ", ")+
				" (default the longest period that has no backup yet; manual, where no retention is kept).", "daily"),
		bind("series", text("the name of a series"), func(j *Job) *string { return &j.Series }).
			describe("Name of the series of backups (default the job's name).", "graph"),
		bind("allow_empty", boolean(), func(j *Job) *bool { return &j.AllowEmpty }).
			describe("Back up a source without a single byte, too.", "true").otherwise("false"),
		bind("drill", drillKind(), func(j *Job) *Drill { return &j.Drill }).
			describe("How its backups are drilled, of a source that is Neo4j.", "{scratch: /var/tmp}"),
	}
	return object("a job", append(fields, settingFields(func(j *Job) *Settings { return &j.Settings })...), nil)
}

func tierNames() []string {
	var names []string
	for _, t := range lifecycle.Tiers() {
		names = append(names, string(t))
	}
	return names
}
