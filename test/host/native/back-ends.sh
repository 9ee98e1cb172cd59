#!/usr/bin/env bash
# Real vhost-user back-ends to probe: the C virtiofsd of Debian 12 (QEMU 7.2), the Rust one of Debian 13 (1.13) and that
# of Debian's development suite. Each suite's packages are unpacked, with the libraries and the loader that they need,
# into a folder of their own; nothing is installed. They come from where this machine's own Debian packages come from.
#
# Usage: back-ends.sh FOLDER
# Leaves FOLDER/virtiofsd-c, FOLDER/virtiofsd-rust-trixie and FOLDER/virtiofsd-rust-sid, commands that take SOCKET and
# SHARED-DIRECTORY, and FOLDER/qemu-storage-daemon, a vhost-user-blk device that takes SOCKET and IMAGE. Those that are
# there already are kept; 1 when one cannot be had.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The first repository of Debian's that apt knows, security and updates apart; whose it is stands in its index.
find_mirror() {
  apt-get indextargets --format '$(ORIGIN) $(LABEL) $(SUITE) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" && $3 !~ /-/ { print $4; exit }'
}
mirror=$(find_mirror)
if [ -z "$mirror" ]; then
  apt-get -qq update
  mirror=$(find_mirror)
fi
if [ -z "$mirror" ]; then
  echo "no Debian repository is configured here" >&2
  exit 1
fi

# unpack SUITE PACKAGE: the package and all that it depends on, into FOLDER/SUITE. apt is given a state of its own: with
# an empty list of installed packages, it fetches libc and loader as well.
unpack() {
  local suite=$1 package=$2 root=$folder/$1 state
  state=$(mktemp -d "$folder/apt.XXXXXX")
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$root"
  : >"$state/status"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suite" "$keyring" >"$state/debian.sources"
  local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$state/debian.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
    -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)
  "${apt[@]}" update
  "${apt[@]}" --no-install-recommends --download-only --yes install "$package"
  local deb
  for deb in "$state"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$root"; done
  rm -rf "$state"
}

# command NAME SUITE PROGRAM OPTIONS: FOLDER/NAME runs the suite's program with the suite's own loader. In OPTIONS, $1 is
# the socket and $2 the directory.
command() {
  local name=$1 root=$folder/$2 program=$3 options=$4 loader libraries
  loader=$(find "$root" -name 'ld-linux-*.so.*' -print -quit)
  libraries=$(find "$root" -name 'libc.so.6' -printf '%h\n' -quit)
  libraries=$root/lib/${libraries##*/}:$root/usr/lib/${libraries##*/}
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" %s\n' "$loader" "$libraries" "$root/$program" "$options" >"$folder/$name.new"
  chmod +x "$folder/$name.new"
  mv "$folder/$name.new" "$folder/$name"
}

rust_options='--socket-path="$1" --shared-dir="$2" --sandbox=none --seccomp=none --inode-file-handles=never'
blk_options='--blockdev driver=file,node-name=file,filename="$2" --export type=vhost-user-blk,id=blk,node-name=file,writable=on,addr.type=unix,addr.path="$1"'
c_options='--socket-path="$1" -o source="$2" -o cache=auto -o sandbox=chroot -f'

if [ ! -x "$folder/virtiofsd-c" ]; then
  unpack bookworm qemu-system-common
  command qemu-storage-daemon bookworm usr/bin/qemu-storage-daemon "$blk_options"
  command virtiofsd-c bookworm usr/lib/qemu/virtiofsd "$c_options"
fi
for suite in trixie sid; do
  [ ! -x "$folder/virtiofsd-rust-$suite" ] || continue
  unpack "$suite" virtiofsd
  command "virtiofsd-rust-$suite" "$suite" usr/libexec/virtiofsd "$rust_options"
done
