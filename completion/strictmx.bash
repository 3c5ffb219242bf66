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

# The value of an option. Returns 1 when the option has none.
_strictmx_offer_value()
{
	case $1 in
	-c | --config) _strictmx_offer_files "$2" ;;
	-t | --type) _strictmx_offer "record policy" "$2" ;;
	-m | --map | --mx)
		# "-m" is --map in query and --mx in inspect.
		if [[ $1 == --map || ($1 == -m && $3 == query) ]]; then
			_strictmx_offer "strictmx strictmx-plain" "$2"
		fi
		;;
	-s | --server) ;;
	*) return 1 ;;
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
		case $word in
		-c | --config | -t | --type | -s | --server | -m | --map | --mx)
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			((i++))
			;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=$word
			elif [[ -z $verb ]]; then
				verb=$word
			fi
			;;
		esac
	done
	_strictmx_offer_value "$prev" "$cur" "$command" && return

	case $command:$cur in
	:*) _strictmx_offer "inspect query cache config
		--config= --help --version" "$cur" ;;
	inspect:-*) _strictmx_offer "--type= --mx= --json $common" "$cur" ;;
	inspect:*) _strictmx_offer_files "$cur" ;;
	query:-*) _strictmx_offer "--server= --map= --json $common" "$cur" ;;
	cache:-*) _strictmx_offer "--config= $common" "$cur" ;;
	config:-*) _strictmx_offer "--config= --json $common" "$cur" ;;
	cache:*)
		if [[ -z $verb ]]; then
			_strictmx_offer "export import" "$cur"
		else
			_strictmx_offer_files "$cur"
		fi
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
	_strictmx_offer "resolve --config= --help --usage --version" "$cur"
}

complete -F _strictmx strictmx
complete -F _strictmxd strictmxd
