# Stops a unit of the deploy, to be started again; until then it does not come back with its machine.
ours || exit 0
rm -f "$wants"
systemctl --quiet stop -- "$unit"
