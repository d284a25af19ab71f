# shellcheck shell=bash
# Sourced by scripts that make a Debian of their own: $room is the directory that it is in.

debootstrap_here() {
  debian_sources >/dev/null || quietly apt-get update
  debian_sources >/dev/null || die 'apt here has no source of Debian packages'
  command -v debootstrap >/dev/null && return 0
  say 'Installing debootstrap'
  quietly apt-get update
  DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends debootstrap
}

# The room's sources.list, from wherever this machine gets Debian's own packages.
debian_sources() {
  # shellcheck disable=SC2016 # apt fills these in.
  apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '
      $1 != "Debian" || $2 != "main" || seen[$3]++ { next }
      $3 == "Debian" { print "deb " $4 " bookworm main\ndeb " $4 " bookworm-updates main"; found = 1 }
      $3 == "Debian-Security" { print "deb " $4 " bookworm-security main" }
      END { exit !found }'
}

# A minimal Debian 12 in $room/root, with these packages.
debian() {
  local mirror
  debian_sources >"$room/sources.list"
  mirror=$(awk 'NR == 1 { print $2 }' "$room/sources.list")
  quietly debootstrap --variant=minbase --include="$(IFS=,; echo "$*")" bookworm "$room/root" "$mirror"
  mv "$room/sources.list" "$room/root/etc/apt/sources.list"
}

certificate_names=(SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS)

# What tells package clients where to fetch from, and what a machine has that Debian does not bring.
settings() {
  local file name cargo_home=${CARGO_HOME:-$HOME/.cargo}
  apt-config dump Acquire | grep -vE '^Acquire::(IndexTargets|cdrom)' >"$room/root/etc/apt/apt.conf.d/99clean-room"
  for file in /etc/apt/auth.conf /etc/apt/auth.conf.d/* /usr/local/share/ca-certificates/*.crt \
    /etc/pip.conf /etc/npmrc /usr/etc/npmrc /etc/resolv.conf; do
    bring "$file" "$file"
  done
  bring ~/.npmrc /root/.npmrc
  bring ~/.config/pip/pip.conf /root/.config/pip/pip.conf
  bring ~/.pip/pip.conf /root/.pip/pip.conf
  for name in config.toml config; do bring "$cargo_home/$name" "/root/.cargo/$name"; done
  for name in "${certificate_names[@]}" PIP_CERT; do
    file=${!name:-}
    [[ -e $room/root$file ]] || bring "$file" "$file"
  done
  # A directory of this machine is none of the room.
  quietly env -u TMPDIR chroot "$room/root" update-ca-certificates

  printf '127.0.0.1 localhost\n127.0.1.1 clean-room\n::1 localhost ip6-localhost ip6-loopback\n' >"$room/root/etc/hosts"
  echo clean-room >"$room/root/etc/hostname"
}

# Copies a file of this machine, if there is one, to a place in the room.
bring() {
  [[ -f $1 ]] || return 0
  mkdir -p "$room/root$(dirname "$2")"
  cp "$1" "$room/root$2"
}
