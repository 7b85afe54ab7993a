# Each unit that a deploy has made: its name, what is written down of it, and how it is.
for file in /etc/systemd/system/*.service.d/50-shunt.conf; do
	[ -f "$file" ] || continue
	unit=${file%.d/50-shunt.conf}
	unit=${unit##*/}
	printf 'unit=%s\n' "$unit"
	grep '^shunt\.' "$file"
	systemctl show --property=ActiveState,SubState,Job -- "$unit"
done
exit 0
