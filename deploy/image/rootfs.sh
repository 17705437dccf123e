#!/bin/sh
# Assembles the root file system of the image from Debian packages and one binary.
#
#   rootfs.sh BINARY DEST
#
# The Dockerfile runs it, and so does the test that exercises the tree without an engine
# (`cargo xtask image`). It wants root (owners of files), apt, dpkg-deb and, for a user without
# privileges to drive kernel interfaces, setcap. Whatever is not needed to run is left out: there is
# no package manager, and busybox is the only shell.
set -eu

binary=$1
dest=$2
export LC_ALL=C

# The drivers (PMDs) that matter: names without the ABI's number at their end.
drivers="
  ixgbe i40e ice iavf e1000 igc mlx5 ena gve virtio vmxnet3 netvsc bnxt
  af-packet af-xdp memif vhost tap ring null pcap
"

# The newest package of that name: librte-net-ice23, librte-net-mlx5-23.
newest() {
    apt-cache pkgnames "$1" | grep -E "^$1-?[0-9]+\$" | sort -V | tail -n 1
}

# A machine that never asked what there is.
[ -n "$(newest librte-mempool-ring)" ] || apt-get -qq update

packages="busybox-static ibverbs-providers"
for driver in $drivers; do
    package=$(newest "librte-net-$driver")
    # Older and newer releases of DPDK lack some (gve came with 22.11).
    if [ -n "$package" ]; then packages="$packages $package"; else echo "no driver $driver here" >&2; fi
done
packages="$packages $(newest librte-mempool-ring)"
# What the binary itself is linked with, by the owners of its libraries.
for library in $(ldd "$binary" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p'); do
    real=$(readlink -f "$library")
    owner=$(dpkg-query -S "$real" "$library" 2>/dev/null | sed -n '1s/:.*//p')
    if [ -z "$owner" ]; then owner=$(dpkg-query -S "/usr$real" 2>/dev/null | sed -n '1s/:.*//p'); fi
    [ -n "$owner" ] || { echo "no package owns $library" >&2; exit 1; }
    packages="$packages $owner"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial"
: > "$work/status"
# As if nothing were installed: the closure of what is needed, and no more.
# shellcheck disable=SC2086
apt-get -qq -o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/archives" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    install --yes --download-only --no-install-recommends $packages > /dev/null

mkdir -p "$dest/usr/bin" "$dest/usr/sbin" "$dest/usr/lib" "$dest/usr/lib64"
# As Debian has it: /bin is /usr/bin.
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$dest/$name"; done
mkdir -p "$dest/var/lib/dpkg/status.d"
for archive in "$work"/archives/*.deb; do
    name=$(dpkg-deb -f "$archive" Package)
    # Libraries, and what was asked for. What packages want for their installation never runs here.
    case $name in
    libperl* | lib*-perl | libgdbm* | libpam* | libsemanage* | libsepol* | libaudit*) continue ;;
    lib* | gcc-*-base | zlib1g | ibverbs-providers | busybox-static) ;;
    *) continue ;;
    esac
    # Through the links of /bin and /lib, which dpkg-deb -x would replace.
    dpkg-deb --fsys-tarfile "$archive" |
        tar -x -C "$dest" --keep-directory-symlink \
            --exclude='./usr/share/doc/*/*.gz' --exclude='./usr/share/man' \
            --exclude='./usr/share/locale' --exclude='./usr/share/lintian'
    # So that scanners see what is in the image.
    dpkg-deb -f "$archive" > "$dest/var/lib/dpkg/status.d/$name"
done

mkdir -p "$dest/etc/upf" "$dest/tmp" "$dest/run" "$dest/proc" "$dest/sys" "$dest/dev" "$dest/home/upf"
chmod 1777 "$dest/tmp"
printf 'root:x:0:0:root:/:/bin/sh\nupf:x:65532:65532:upf:/home/upf:/bin/sh\n' > "$dest/etc/passwd"
printf 'root:x:0:\nupf:x:65532:\n' > "$dest/etc/group"
# By which scanners know whose packages these are.
cp /usr/lib/os-release "$dest/usr/lib/os-release"
ln -sfn ../usr/lib/os-release "$dest/etc/os-release"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' > "$dest/etc/nsswitch.conf"
chown 65532:65532 "$dest/home/upf"
for applet in sh ls cat ip ping ps top vi grep sleep; do ln -sfn busybox "$dest/usr/bin/$applet"; done
install -m 0755 "$binary" "$dest/usr/bin/upf"
if command -v strip > /dev/null; then strip --strip-debug "$dest/usr/bin/upf"; fi
ldconfig -r "$dest"
# Permitted, not effective: the kernel then grants as many of them as the engine allows, and starts
# the program all the same where it allows none. `upf` makes effective what it was granted.
if command -v setcap > /dev/null; then
    setcap 'cap_net_admin,cap_net_raw,cap_ipc_lock,cap_bpf=p' "$dest/usr/bin/upf"
else
    echo "no setcap: only root can use kernel interfaces in this image" >&2
fi
# Nothing in it tells when it was made.
find "$dest" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
