package proc

// Owner returns the owner for files and unix sockets if the config has this user and
// group; -1 leaves the owner unchanged.
func Owner(user, group string) (uid, gid int) {
	credential, err := Lookup(user, group, false)
	if err != nil || credential == nil {
		return -1, -1
	}
	return credential.UID, credential.GID
}
