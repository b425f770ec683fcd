# The private CA and the certificates of deploy/up --tls. Sourced; needs $state, $home and what deploy/up defines.
# shellcheck shell=bash
: "${state:?}"
: "${home:=}" # chosen later

# still_good CERTIFICATE: for thirty days at least
still_good() { openssl x509 -in "$1" -noout -checkend 2592000; }

# This machine's name, if a certificate can hold it.
machine() {
	local name
	name=$(uname -n)
	[[ $name =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] || name=localhost
	printf '%s' "$name"
}

# The name by which devices in the network know this machine, if --lan says one: ", IP:..." or ", DNS:..."
lan_name() {
	[[ -z ${lan-} ]] || { [[ $lan =~ ^[0-9.]+$ ]] && printf ', IP:%s' "$lan"; } || printf ', DNS:%s' "$lan"
}

# The check that openssl has for that name.
names_lan() {
	local check=-checkhost
	[[ -n ${lan-} ]] || return 0
	[[ ! $lan =~ ^[0-9.]+$ ]] || check=-checkip
	openssl x509 -in server.crt -noout $check "$lan" | grep -q 'does match'
}

tls_config() {
	cat <<-TXT
		[req]
		distinguished_name = name
		[name]
		[ca]
		basicConstraints = critical, CA:TRUE, pathlen:0
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
		[server]
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = serverAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		subjectAltName = IP:127.0.0.1, IP:::1, DNS:localhost, DNS:$(machine)$(lan_name)
	TXT
}

# make_key NAME SUBJECT OPTION...: a P-256 key NAME.key, and with it what the options ask for
make_key() {
	openssl req -new -config config -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj "$2" "${@:3}"
}

# Is server.crt this CA's, for this machine, for some time?
server_is_good() {
	still_good server.crt && openssl verify -CAfile ca.crt server.crt && openssl x509 -in server.crt -noout -checkhost "$(machine)" | grep -q 'does match' &&
		names_lan
}

# A CA of this state alone, for ten years, and a certificate by it for otad and the broker; renewed when they are about to expire, or when the machine has
# got another name. bundle.crt adds the system's CAs: a shell that has sourced DIR/env goes on knowing them.
make_certificates() {
	mkdir -p "$state/tls"
	chmod 755 "$state/tls"
	cd "$state/tls" || return
	tls_config >config
	if [ ! -s ca.key ] || ! still_good ca.crt; then
		make_key ca "/CN=otad private CA $(random 4)" -x509 -extensions ca -days 3650 -out ca.crt
	fi
	if [ ! -s server.key ] || ! server_is_good; then
		make_key server "/CN=localhost" -out server.csr
		openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial "0x01$(random 15)" -days 398 -extfile config -extensions server -out server.crt
	fi
	cat /etc/ssl/certs/ca-certificates.crt ca.crt >bundle.crt || cp ca.crt bundle.crt
	rm -f config server.csr
	chmod 644 ca.crt server.crt bundle.crt
	write "$home/tls/ca.crt" <ca.crt
	write "$home/tls/server.crt" <server.crt
	write "$home/tls/server.key" <server.key
}
