#!/bin/busybox sh
# In the initramfs: loads what the disk needs and goes on from there.
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox ls /modules | /bin/busybox sort -n); do
    /bin/busybox insmod "/modules/$module"
done
for wait in $(/bin/busybox seq 100); do
    [ -b /dev/vda ] && break
    /bin/busybox usleep 50000
done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /guest
