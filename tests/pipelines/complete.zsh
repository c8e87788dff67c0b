# complete.zsh FOLDER OUT LINE...: types each LINE and a tab into an interactive zsh that completes by what is in
# FOLDER, and writes to OUT what it was offered and what became of the line.
zmodload zsh/zpty
folder=$1 out=$2
shift 2
zpty shell zsh -f -i
tell() { zpty -w shell "$1" }
tell "PS1= fpath=($folder \$fpath); autoload -U compinit; compinit -u -D; setopt no_beep no_auto_menu; LISTMAX=10000"
# What is offered goes through compadd; calls with -O, -A or -D only ask it to match.
tell "compadd() { [[ \" \$*\" == *' -'[OAD]' '* ]] || { local -a found; builtin compadd -O found \"\$@\"; print -rl -- \$found >>$out; }; builtin compadd \"\$@\"; }"
tell "ended() { print -r -- \"line: \$BUFFER\" >>$out; BUFFER=; print -r -- '#done#'; zle reset-prompt; }; zle -N ended; bindkey '^X' ended"
tell "print '#ready'\#"
zpty -r shell said '*#ready#*'
for line; do
  print -r -- "asked: $line" >>$out
  zpty -w -n shell "$line"$'\t\C-x'
  zpty -r shell said '*#done#*'
done
zpty -d shell
