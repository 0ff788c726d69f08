#!/bin/busybox sh
# The only process besides the tests: mounts what a system has, cgroup v2 alone among it, and runs them.
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/bin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# As any service manager does; the others are left for the agent to switch on.
echo +cpu > /sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
hostname headroom-vm
chmod 1777 /tmp /var/tmp
exec < /dev/null > /dev/ttyS1 2>&1
stty -F /dev/ttyS1 -opost
export HEADROOM_TEST_PROGRAMS="$(cat /programs)" RUST_TEST_THREADS=1 HOME=/root
echo "@@ controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
while read -r name program filters; do
    echo "@@ run $name"
    start=$(cut -d. -f1 /proc/uptime)
    timeout -s KILL 400 "$program" --show-output $filters
    code=$?
    echo "@@ end $name $code $(($(cut -d. -f1 /proc/uptime) - start))"
done < /runs
echo "@@ over"
sync
poweroff -f
