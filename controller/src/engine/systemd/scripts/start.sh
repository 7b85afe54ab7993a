# Makes the unit the deploy's and starts it. $3: its drop-in; standard input: its variables.
if [ -f "$file" ]; then
	ours || {
		echo "$unit is another release's: $(grep -E '^shunt\.(app|deploy)=' "$file" | tr '\n' ' ')" >&2
		exit 3
	}
else
	state=$(systemctl show --property=ActiveState --value -- "$unit")
	case $state in
	inactive | failed) ;;
	*)
		echo "$unit is $state, and no deploy has started it: stop it first" >&2
		exit 3
		;;
	esac
fi
# Whose it is comes first: from here on it is found, and cleared away if need be.
umask 022
mkdir -p "$directory"
printf '%s\n' "$3" >"$file.new"
mv "$file.new" "$file"
# Nobody but root reads its variables.
umask 077
cat >"$directory/shunt.env.new"
mv "$directory/shunt.env.new" "$directory/shunt.env"
umask 022
systemctl daemon-reload
systemctl reset-failed -- "$unit" 2>/dev/null || true
# It comes back with its machine.
systemctl --quiet add-wants multi-user.target -- "$unit"
systemctl --quiet --no-block start -- "$unit"
