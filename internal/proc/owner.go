package proc

// Owner is who files and unix sockets of a config with this user and group belong
// to; -1 leaves them.
func Owner(user, group string) (uid, gid int) {
	credential, err := Lookup(user, group, false)
	if err != nil || credential == nil {
		return -1, -1
	}
	return credential.UID, credential.GID
}
