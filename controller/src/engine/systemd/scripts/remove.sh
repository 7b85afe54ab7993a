# Stops a unit of the deploy, and leaves nothing of it.
ours || exit 0
rm -f "$wants"
# Not loaded, if the template is gone.
systemctl --quiet stop -- "$unit" || [ "$(systemctl show --property=LoadState --value -- "$unit")" = not-found ]
rm -f "$directory/shunt.env" "$directory/shunt.env.new" "$file.new" "$file"
rmdir "$directory" 2>/dev/null || true
systemctl daemon-reload
systemctl reset-failed -- "$unit" 2>/dev/null || true
