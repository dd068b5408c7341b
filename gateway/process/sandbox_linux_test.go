package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// envConfined makes this binary a confined process.
const envConfined = "PROCESS_TEST_CONFINED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envConfined); dir != "" {
		beConfined(dir)
		return
	}
	os.Exit(m.Run())
}

// beConfined says what it can still do.
func beConfined(dir string) {
	if err := confine([]string{filepath.Join(dir, "read")}, []string{filepath.Join(dir, "write")}); err != nil {
		fmt.Println("cannot be confined:", err)
		return
	}
	try := func(what string, err error) { fmt.Println(what, err == nil) }
	_, err := os.ReadFile(filepath.Join(dir, "read", "file"))
	try("read", err)
	try("write", os.WriteFile(filepath.Join(dir, "write", "file"), nil, 0o600))
	try("write-to-read", os.WriteFile(filepath.Join(dir, "read", "new"), nil, 0o600))
	_, err = os.ReadFile(filepath.Join(dir, "secret"))
	try("secret", err)
	try("execute", exec.Command("/bin/true").Run())
	parent := fmt.Sprintf("/proc/%d/", os.Getppid())
	_, err = os.ReadFile(parent + "stat")
	try("start-of-another", err)
	n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	fmt.Println("no-new-privileges", err == nil && n == 1)
}

func TestGatewayIsConfined(t *testing.T) {
	if platform.Portable {
		t.Skip("needs landlock")
	}
	dir := t.TempDir()
	for _, name := range []string{"read", "write"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"read/file", "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envConfined+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := []string{"read true", "write true", "start-of-another true", "no-new-privileges true"}
	if landlocked() {
		want = append(want, "write-to-read false", "secret false", "execute false")
	}
	for _, w := range want {
		if !strings.Contains(string(out), w) {
			t.Errorf("not %q in:\n%s", w, out)
		}
	}
}

// landlocked reports whether this kernel has landlock switched on.
func landlocked() bool {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1) // LANDLOCK_CREATE_RULESET_VERSION
	return !errors.Is(errno, unix.ENOSYS) && !errors.Is(errno, unix.EOPNOTSUPP)
}
