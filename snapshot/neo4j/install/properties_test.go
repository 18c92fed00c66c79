package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
)

// The format is that of java.util.Properties, so Java is asked.
const reader = `import java.nio.file.*; import java.util.*;
public class Reader {
  public static void main(String[] args) throws Exception {
    LinkedHashMap<Object, Object> all = new LinkedHashMap<>();
    Properties p = new Properties() { public synchronized Object put(Object k, Object v) { System.out.print(hex(k) + "=" + hex(v) + "\n"); return super.put(k, v); } };
    p.load(Files.newBufferedReader(Paths.get(args[0])));
  }
  static String hex(Object o) { StringBuilder s = new StringBuilder(); for (byte b : o.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8)) s.append(String.format("%02x", b)); return s.toString(); }
}
`

const properties = "# a comment\n! another\n\n  a=1\nb : 2\nc 3\nd\ne=\nf = x = y \ng\\=h=i\\:j\nk=one \\\n   two\\\n\\  three\nl=back\\\\slash\\\nm\n" +
	"n=tab\\tnew\\nu\\u00e9\no=\\q\\\\\np\\ q=r\ns:=t\nu==v\nw=x\\\\\ny=z\r\nlast=\\"

func TestParseProperties(t *testing.T) {
	got, err := parseProperties(properties)
	if err != nil {
		t.Fatal(err)
	}
	java := testenv.Tool(t, "java")
	dir := t.TempDir()
	source, file := filepath.Join(dir, "Reader.java"), filepath.Join(dir, "x.properties")
	for path, text := range map[string]string{source: reader, file: properties} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(java, source, file)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		want = append(want, strings.TrimSpace(line))
	}
	for i, p := range got {
		if text := hexOf(p.name) + "=" + hexOf(p.value); i >= len(want) || text != want[i] {
			t.Errorf("%d: %q = %q, Java has %v", i, p.name, p.value, want[min(i, len(want)-1)])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, Java has %d", len(got), len(want))
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

func FuzzParseProperties(f *testing.F) {
	f.Add(properties)
	f.Add("a=\\u12")
	f.Add("\\")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseProperties(text)
		if err == nil && len(all) > strings.Count(text, "\n")+strings.Count(text, "\r")+1 {
			t.Fatalf("%d entries of %q", len(all), text)
		}
	})
}
