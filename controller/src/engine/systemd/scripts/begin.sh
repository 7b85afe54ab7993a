# Before all scripts that change a unit. One at a time: between looking whose it is and what is done to
# it nobody else may take it over.
set -eu
unit=$1 deploy=$2
directory=/etc/systemd/system/$unit.d
file=$directory/50-shunt.conf
wants=/etc/systemd/system/multi-user.target.wants/$unit
if command -v flock >/dev/null; then
	exec 9>"/run/shunt-$unit.lock"
	flock 9
fi
ours() { [ -f "$file" ] && grep -qxF "shunt.deploy=$deploy" "$file"; }
