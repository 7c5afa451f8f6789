# Sourced: a package list beside the system's own.
#
#   apt_private FOLDER SUITE [ARCHITECTURE]   sets apt_options for apt-get and apt-cache, and fetches the list
apt_private() {
	local dir=$1 suite=$2 arch=${3:-} mirror
	mirror=$(grep -rhoE '(URIs: |^deb )[^ ]*://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
		grep -oE '[a-z]+://[^ ]*' | head -n 1)
	[ -n "$mirror" ] || { echo "tests/vm: no Debian mirror is configured for apt" >&2; return 1; }
	mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$dir/sources.list"
	apt_options=(-qq -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State="$dir/state"
		-o Dir::State::status="$dir/state/status" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root)
	: >"$dir/state/status" # what is installed does not matter
	[ -z "$arch" ] || apt_options+=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch")
	apt-get "${apt_options[@]}" update >&2
}
