package certificates

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

// errBentKey says that an encrypted key is inconsistent.
var errBentKey = errors.New("the file is damaged")

// decrypt returns the PEM text of a key file with its keys decrypted. Other blocks
// stay, since the file may also contain a certificate.
func decrypt(text []byte, path, password string) ([]byte, error) {
	var plain []byte
	found := false
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if encrypted(block) {
			found = true
			if password == "" {
				return nil, fmt.Errorf("keyfile: %s is encrypted; give its password in keyfile_password (GONICORN_KEYFILE_PASSWORD), "+
					"or decrypt it with: openssl pkey -in %s -out PLAIN", path, path)
			}
			var err error
			if block, err = unlock(block, []byte(password)); err != nil {
				return nil, fmt.Errorf("keyfile: %s cannot be decrypted with keyfile_password: %w; try the password with: "+
					"openssl pkey -in %s -noout", path, err, path)
			}
		}
		plain = append(plain, pem.EncodeToMemory(block)...)
	}
	if !found {
		return text, nil
	}
	return plain, nil
}

// encrypted reports whether a PEM block is an encrypted key, in PKCS#8 or in the older
// form with headers.
func encrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != ""
}

// unlock decrypts a key.
func unlock(block *pem.Block, password []byte) (*pem.Block, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		return unlockPKCS8(block.Bytes, password)
	}
	//lint:ignore SA1019 the format proves nothing about the password; it is OpenSSL's of old, and there are such keys
	der, err := x509.DecryptPEMBlock(block, password)
	if err != nil {
		return nil, err
	}
	key := &pem.Block{Type: block.Type, Bytes: der}
	if !isKey(der) { // 1 of 256 wrong passwords gets here
		return nil, x509.IncorrectPasswordError
	}
	return key, nil
}

// unlockPKCS8 decrypts a PKCS#8 key. The library panics if the initialization vector
// or the encrypted text has a length that the cipher does not allow.
func unlockPKCS8(der, password []byte) (block *pem.Block, err error) {
	defer func() {
		if recover() != nil {
			block, err = nil, errBentKey
		}
	}()
	key, _, err := pkcs8.ParsePrivateKey(der, password)
	if err != nil {
		return nil, err
	}
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, nil
}

// isKey reports whether DER is a private key in any known form.
func isKey(der []byte) bool {
	_, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		_, err = x509.ParsePKCS1PrivateKey(der)
	}
	if err != nil {
		_, err = x509.ParseECPrivateKey(der)
	}
	return err == nil
}
