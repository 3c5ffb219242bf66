# bash completion for strictmx and strictmxd. It needs nothing but bash.

# The words that fit, as the answer; one that ends with "=" wants its value.
_strictmx_offer()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
		compopt -o nospace 2>/dev/null
	fi
}

_strictmx_offer_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# Does this option of this subcommand have a value?
_strictmx_has_value()
{
	case $2:$1 in
	*:-c | *:--config | inspect:-[tm] | inspect:--type | inspect:--mx) ;;
	query:-[sm] | query:--server | query:--map) ;;
	check:-[fjo] | check:--file | check:--jobs | check:--output) ;;
	check:--baseline | check:--colour | check:--color | check:--width) ;;
	check:--expires-soon | check:--resolver | check:--ca-file) ;;
	check:--trust-anchor | check:--connect | check:--smtp-port) ;;
	check:--timeout | check:--ehlo) ;;
	report:-[do] | report:--day | report:--output) ;;
	*) return 1 ;;
	esac
}

# The value of an option. Returns 1 when the option has none.
_strictmx_offer_value()
{
	_strictmx_has_value "$1" "$3" || return
	case $3:$1 in
	*:-c | *:--config | check:-[fo] | check:--file | check:--output | \
		report:-o | report:--output)
		_strictmx_offer_files "$2"
		;;
	check:--baseline | check:--ca-file | check:--trust-anchor)
		_strictmx_offer_files "$2"
		;;
	check:--colour | check:--color) _strictmx_offer "auto always never" "$2" ;;
	inspect:-t | inspect:--type)
		_strictmx_offer "record policy tlsrpt-record report datagram" "$2"
		;;
	query:-m | query:--map)
		_strictmx_offer "strictmx strictmx-plain" "$2"
		;;
	esac
}

_strictmx()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local common="--help --usage --version" command="" verb="" i word

	COMPREPLY=()
	# bash has cut "--type=rec" into three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if _strictmx_has_value "$word" "$command"; then
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			((i++))
		elif [[ $word == -* ]]; then
			continue
		elif [[ -z $command ]]; then
			command=$word
		elif [[ -z $verb ]]; then
			verb=$word
		fi
	done
	_strictmx_offer_value "$prev" "$cur" "$command" && return

	case $command:$cur in
	:*) _strictmx_offer "check inspect query cache report config
		--config= --help --version" "$cur" ;;
	check:-*) _strictmx_offer "--json --csv --quiet --colour= --color=
		--width= --baseline= --expires-soon= --file= --jobs= --unordered
		--output= --resume --no-smtp --resolver= --ca-file=
		--trust-anchor= --connect= --smtp-port= --timeout= --ehlo=
		--allow-private-addresses $common" "$cur" ;;
	inspect:-*) _strictmx_offer "--type= --mx= --json $common" "$cur" ;;
	inspect:*) _strictmx_offer_files "$cur" ;;
	query:-*) _strictmx_offer "--server= --map= --json $common" "$cur" ;;
	cache:-*) _strictmx_offer "--config= $common" "$cur" ;;
	report:-*) _strictmx_offer "--config= --day= --failed --waiting
		--all-failed --gzip --output= --json $common" "$cur" ;;
	config:-*) _strictmx_offer "--config= --json $common" "$cur" ;;
	cache:*)
		if [[ -z $verb ]]; then
			_strictmx_offer "export import" "$cur"
		else
			_strictmx_offer_files "$cur"
		fi
		;;
	report:*)
		[[ -n $verb ]] ||
			_strictmx_offer "list show export preview send" "$cur"
		;;
	config:*)
		[[ -n $verb ]] || _strictmx_offer "check show" "$cur"
		;;
	esac
}

_strictmxd()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	_strictmx_offer_value "$prev" "$cur" && return
	_strictmx_offer "resolve collect report --config= --help --usage --version" "$cur"
}

complete -F _strictmx strictmx
complete -F _strictmxd strictmxd
