# shellcheck shell=bash
# Sourced by scripts that need a machine of their own, with a kernel of its own: $room/root is the Debian
# that it boots, as scripts/debian.sh makes it, with linux-image-cloud-amd64 in it. The machine has no
# network. It is told what to do by a port that leads to two pipes in $room.

machine=''

# The disk of the machine: $room/root as it is now.
machine_disk() {
  local root=$room/root unit=/etc/systemd/system/told.service
  printf '/dev/vda / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
  cat >"$root$unit" <<'END'
[Unit]
Description=Does what the machine's host says
After=multi-user.target
[Service]
ExecStart=/bin/bash /usr/local/sbin/told
Environment=HOME=/root LANG=C.UTF-8
[Install]
WantedBy=multi-user.target
END
  cat >"$root/usr/local/sbin/told" <<'END'
exec 3<>/dev/virtio-ports/told
echo '@up' >&3
while read -r line <&3; do
  (eval "$line") >&3 2>&1 </dev/null
  echo "@end $?" >&3
done
END
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -sf "$unit" "$root/etc/systemd/system/multi-user.target.wants/told.service"
  rm -f "$room"/disk "$room"/told.*
  truncate -s 12G "$room/disk"
  quietly mke2fs -q -t ext4 -d "$root" "$room/disk"
  mkfifo "$room/told.in" "$room/told.out"
  # Held open for reading and writing, so that neither side waits for the other one.
  exec {to_machine}<>"$room/told.in" {from_machine}<>"$room/told.out"
}

machine_start() {
  local root=$room/root
  : >"$room/console.log"
  # Nothing reads the disk after a crash of this host.
  setpriv --pdeathsig KILL qemu-system-x86_64 "$@" -smp 2 -m 3072 -nographic -nodefaults -nic none \
    -serial "file:$room/console.log" -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* \
    -append 'root=/dev/vda rw console=ttyS0 edd=off' \
    -drive "file=$room/disk,if=virtio,format=raw,cache=unsafe" \
    -device virtio-serial -chardev "pipe,id=told,path=$room/told" -device virtserialport,chardev=told,name=told \
    </dev/null >"$room/machine.log" 2>&1 &
  machine=$!
  # Else bash tells of its end, which is to be expected.
  disown "$machine"
}

machine_kill() {
  [[ -n $machine ]] || return 0
  kill -KILL "$machine" 2>/dev/null || true
  while kill -0 "$machine" 2>/dev/null; do sleep 0.1; done
  machine=''
}

# Starts the machine: by the processor's own means where its kernel comes up with them, or else, some
# ten times slower, with a processor that is made up.
machine_on() {
  local tries=100
  if [[ -w /dev/kvm ]]; then
    machine_start -accel kvm -cpu host
    until grep -q 'Linux version' "$room/console.log"; do
      kill -0 "$machine" 2>/dev/null && ((--tries)) || break
      sleep 0.1
    done
    if grep -q 'Linux version' "$room/console.log"; then machine_up; return; fi
    machine_kill
    say 'No kernel of Debian comes up here by /dev/kvm: the machine has a made-up processor, which is slow'
  fi
  machine_start -accel tcg,thread=multi -cpu max
  machine_up
}

# Waits until the machine is up, or up again.
machine_up() {
  local line until=$((SECONDS + 300))
  while ((SECONDS < until)); do
    if read -r -t 2 -u "$from_machine" line && [[ ${line%$'\r'} == @up ]]; then return 0; fi
    kill -0 "$machine" 2>/dev/null || break
  done
  tail -n 40 "$room/console.log" "$room/machine.log" >&2
  die 'the machine does not come up'
}

# Runs a line in the machine for so many seconds at most, and shows what it prints; the status is the line's.
machine_run() {
  local limit=$1 line until
  until=$((SECONDS + limit))
  printf '%s\n' "$2" >&"$to_machine"
  while ((SECONDS < until)); do
    if read -r -t 2 -u "$from_machine" line; then
      line=${line%$'\r'}
      case $line in
        '@end '*) return "${line#@end }" ;;
        *) printf '    %s\n' "$line" ;;
      esac
    elif ! kill -0 "$machine" 2>/dev/null; then
      tail -n 40 "$room/console.log" "$room/machine.log" >&2
      die 'the machine is gone'
    fi
  done
  tail -n 20 "$room/console.log" >&2
  printf 'not done in %d s: %s\n' "$limit" "$2" >&2
  return 124
}
