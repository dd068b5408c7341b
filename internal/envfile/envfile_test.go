package envfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	t.Setenv("ENVFILE_OURS", "environment")
	first := write(t, "first", "A=1\nB=$A\nC=${A}/x\nD=${NOWHERE:-else}\nENVFILE_OURS=file\nE=[${ENVFILE_OURS}]\nLOOP=${LOOP}\n")
	second := write(t, "second", "export A='two words'\n")
	got, err := Read([]string{first, second})
	want := []string{"A=two words", "B=$A", "C=two words/x", "D=else", "E=[environment]", "LOOP="}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"A='secret\n":                       "not a list of NAME=value",
		"A=\"x\x00y\"\n":                    "NUL byte in A",
		strings.Repeat("#", maxSize) + "\n": "larger than 1024 KiB",
	} {
		_, err := Read([]string{write(t, "env", text)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	if _, err := Read([]string{"/nowhere/.env"}); err == nil || !strings.Contains(err.Error(), "there is no file /nowhere/.env") {
		t.Error(err)
	}
}
