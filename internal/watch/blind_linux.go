//go:build !portable

package watch

import "golang.org/x/sys/unix"

// blind names the filesystem of a folder if its files can change without this kernel's
// knowledge: network filesystems, filesystems of a virtual machine's host, and those
// that a program implements. It is empty if inotify(7) is reliable.
func blind(folder string) string {
	var at unix.Statfs_t
	if unix.Statfs(folder, &at) != nil {
		return ""
	}
	return blindType(int64(at.Type))
}

func blindType(magic int64) string {
	switch uint32(magic) {
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "smb"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.FUSE_SUPER_MAGIC: // virtiofs, sshfs, and Docker Desktop's
		return "fuse"
	case 0x786f4256:
		return "vboxsf"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "afs"
	case unix.CEPH_SUPER_MAGIC:
		return "ceph"
	}
	return ""
}
